"""Feature ablation over a program's graph: what each feature, taken away, does to the predictions."""
