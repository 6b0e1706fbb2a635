"""Chinese for texts written in English where they happened, one file a field; `gateway.model.phrase` knows them."""
