"""What to deploy and watch freshrank with; see README.md here. A package only so that its generators can be run."""
