"""Late data: the asset that lists late days, and the sensor that requests their reload."""
