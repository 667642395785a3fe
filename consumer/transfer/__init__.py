"""What another deployment learned, or a file knows, brought into the first checkpoint of a new one."""
