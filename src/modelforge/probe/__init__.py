"""The probe: a process for what needs a model's tokenizer and no training. It answers one question after the other, for
the libraries take seconds to load. Bounded in memory; its crash is one failed answer."""
