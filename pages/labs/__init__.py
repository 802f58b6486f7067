"""The labs, a page each; `rlhf_core.labs.registry` lists them."""
