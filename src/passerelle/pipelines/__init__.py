"""What is built on the gateway: answers from documents, enriched texts, analysed surveys."""
