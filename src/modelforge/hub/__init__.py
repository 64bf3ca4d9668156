"""The Hugging Face hub, or one that speaks like it (``HF_ENDPOINT``)."""
