"""The faults that Mintaka has to survive, each brought about under load, and what has to hold afterwards."""
