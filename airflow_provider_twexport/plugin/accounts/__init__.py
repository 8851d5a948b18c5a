"""What the page shows of each service's account."""
