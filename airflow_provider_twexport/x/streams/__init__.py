"""Volume streams: capture, backfill, Recovery and Replay."""
