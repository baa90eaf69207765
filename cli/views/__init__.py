"""What a person sees in the terminal; drawn from records, never from the server's JSON."""
