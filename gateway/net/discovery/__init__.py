"""Finding what is on the network: who answers, who announces itself, and which streams pass by."""
