"""Who is acting, how that was proven, and what the role may do."""
