"""The probe: a short-lived process for what needs a model's tokenizer and no training. Bounded in memory; its crash is
one failed answer."""
