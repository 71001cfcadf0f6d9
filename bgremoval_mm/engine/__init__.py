"""What a run needs: hooks, its config, its work_dir, comparing it with another."""
