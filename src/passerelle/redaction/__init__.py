"""Personal data is taken out of a request before any model, cache or log, and put back in its answer.

What is left in its place is a placeholder such as `[EMAIL_1]`. Only the request's own vault knows what it stands for,
and that is gone with the request.
"""
