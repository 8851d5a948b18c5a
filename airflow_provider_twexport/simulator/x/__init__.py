"""The X enterprise search APIs as their documents and captured traffic say."""
