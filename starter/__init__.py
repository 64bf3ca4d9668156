"""Everything that makes modelforge-starter: its words, its texts, its tokenizer, its training and its measurements."""
