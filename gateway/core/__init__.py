"""The rules that span adapters: what can be watched, who may do what, what is kept."""
