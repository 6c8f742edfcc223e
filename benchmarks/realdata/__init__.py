"""What the product finds on overlays of images and on a census, beside plain networks trained alike."""
