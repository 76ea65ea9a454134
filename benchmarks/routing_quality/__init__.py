"""How good trained classifiers are on real prompts that they have not seen."""
