"""One pure decision: may this tenant's data reach this party?"""
