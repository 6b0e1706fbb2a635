"""`make demo-center`: a center, two counties' kits behind bad links, and a page where a person cuts a link."""
