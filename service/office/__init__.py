"""What runs inside the sandbox beside LibreOffice; imports the standard library alone."""
