"""What is wrong with a policy although its fields are: names, labels, chains, objectives, and what backends lack."""
