"""Adobe Experience Platform, as its documentation describes it: export jobs, their batches, and the files in them."""
