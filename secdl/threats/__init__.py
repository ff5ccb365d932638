"""Threat models: a pytm model read in a sandbox, hypervisor threats matched to it, dispositions checked, diagrams."""
