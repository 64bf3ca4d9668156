"""The REST API and the WebSocket: the public promise, served."""
