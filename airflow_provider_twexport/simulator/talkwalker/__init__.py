"""The Talkwalker API as its documents and its captured traffic say."""
