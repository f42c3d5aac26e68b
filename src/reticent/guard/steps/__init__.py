"""The rules of the workflow, step by step; ``guard/inquiries.py`` is the machine that keeps them."""
