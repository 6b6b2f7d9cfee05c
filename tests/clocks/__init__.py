"""The tests under other clocks: working hours, both changes of the clock, the ends of a year and of a leap month."""
