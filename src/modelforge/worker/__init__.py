"""The process of one training run: the only place, beside inference, where torch is loaded."""
