"""The formats that a member can be deployed in, one file each."""
