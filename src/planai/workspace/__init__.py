"""Workspaces: folders that models may work in, and cannot leave."""
