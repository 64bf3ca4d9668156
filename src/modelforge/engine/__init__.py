"""The training engine: a causal model of transformers with a LoRA adapter, trained on documents that lie end to end.

It runs the model's own layers and replaces what is slow about them: padding, attention over what is not there, adapters
in small pieces, and logits that nobody learns from. Only the worker imports it.
"""
