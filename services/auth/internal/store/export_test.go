package store

// ForgetTokens is the statement of Forget whose plan a test looks at.
const ForgetTokens = forgetTokens
