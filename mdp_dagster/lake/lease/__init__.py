"""One holder of the warehouse at a time, on whichever machine: a lease kept as an object in the lake."""
