"""The stand-in for Adobe Experience Platform: export jobs, their batches, and the files in them."""
