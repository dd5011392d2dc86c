"""Taking the answers of PlanAI's caches along, which are pickles."""
