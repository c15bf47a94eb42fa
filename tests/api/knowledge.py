"""What tests of readers' feedback do with articles."""

REFUSED = """... on InvalidInput { problems { field } } ... on NotFound { field message } ... on NotAllowed { message }
  ... on Conflict { reason current { id __typename } } ... on RateLimited { retryAfterSeconds }"""
FEEDBACK = "id versionNumber helpful rating comment source at person { name } article { id }"
REVIEW = """id reason note status outcome article { id title } requestedBy { name } assignee { name }
  closedBy { name } closedAt requestedAt feedback { totalCount nodes { rating helpful comment } }"""
STATS = """viewCount helpfulCount unhelpfulCount helpfulShare ratingCount averageRating ratingCounts commentCount
  deflectionCount"""


def mutation(name, field, refused=REFUSED):
    """A mutation that answers with a field, or its refusal."""
    kind = name[0].upper() + name[1:]
    return f"""mutation ($input: {kind}Input!) {{ {name}(input: $input) {{ __typename
      ... on {kind}Success {{ {field} }} {refused} }} }}"""


GIVE = mutation(
    "giveArticleFeedback", f"feedback {{ {FEEDBACK} }}", REFUSED.replace("... on NotAllowed { message }", "")
)
VIEW = mutation(
    "recordArticleView",
    "article { id }",
    "... on NotFound { field message } ... on RateLimited { retryAfterSeconds }",
)
WITHOUT_LIMIT = REFUSED.replace("... on RateLimited { retryAfterSeconds }", "")
REQUEST = mutation("requestArticleReview", f"review {{ {REVIEW} }}", WITHOUT_LIMIT)
CLOSE = mutation("closeArticleReview", f"review {{ {REVIEW} }}", WITHOUT_LIMIT)
REVIEWS = f"""query ($filter: ArticleReviewFilter, $first: Int, $after: String) {{
  articleReviews(filter: $filter, first: $first, after: $after) {{ totalCount nodes {{ {REVIEW} }}
    pageInfo {{ endCursor }} }} }}"""
SEEN = f"""query ($id: ID!, $filter: ArticleFeedbackFilter, $range: TimeRange, $first: Int) {{ article(id: $id) {{ title
  viewerFeedback {{ {FEEDBACK} }} feedbackStats(range: $range) {{ {STATS} }} openReview {{ id reason }}
  feedback(filter: $filter, first: $first) {{ totalCount nodes {{ {FEEDBACK} }} }} viewerCan }} }}"""
