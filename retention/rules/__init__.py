"""Rules of retention: what is due, what an answer means, what a proof says; pure, time is an argument."""
