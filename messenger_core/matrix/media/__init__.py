"""Media: files received and sent as streams of ciphertext, never whole in memory and never in clear on disk."""
