"""Child processes, their sandbox and their temporary folders."""
