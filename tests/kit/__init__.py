"""What the tests of every layer share: real servers, real children, real certificates, and waiting without sleeping."""
