"""GB/T 28181 without sockets, tasks or clocks: what is said and what it means. Values in, values out."""
