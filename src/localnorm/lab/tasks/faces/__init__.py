"""Face verification task: LFW crops or folders of people, augmentation and loss."""
