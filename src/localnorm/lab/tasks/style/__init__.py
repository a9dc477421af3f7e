"""Style transfer task: photographs, Gram losses."""
