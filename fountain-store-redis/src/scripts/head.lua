return digits(head())
