"""Classifiers at work: models and services that are asked, answers that are remembered, all of them counted."""
