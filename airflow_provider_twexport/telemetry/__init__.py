"""What a task reports: links, ledger, metrics, assets and lineage."""
