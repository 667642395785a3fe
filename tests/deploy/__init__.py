"""What people deploy with: the image, the local stack, the chart. No engine and no cluster is needed."""
