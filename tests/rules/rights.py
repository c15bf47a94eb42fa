"""Who may call what: for each root field the least role, and what sessions for one ticket and programs may of it.

What is seen through a field is another matter, and another test's. A field that is not named here fails the test.
"""

from typing import NamedTuple

from models import Role

EVERYONE = None  # also who is not signed in


class Right(NamedTuple):
    """Who may call a field."""

    least: Role | None
    by_link: bool  # in a session that an emailed link opened for one ticket
    program: bool = True  # with a token that may write; one that may only read calls no mutation, and any query
    others: Role | None = Role.CUSTOMER  # the least role of those whose thing it is not; None: for its owner alone


everyone = Right(EVERYONE, by_link=True)
signed_in = Right(Role.CUSTOMER, by_link=True)
account = Right(Role.CUSTOMER, by_link=False)  # who has one, not who only has a link
staff = Right(Role.AGENT, by_link=False)
requester = Right(Role.CUSTOMER, by_link=True, others=None)
author = Right(Role.CUSTOMER, by_link=False, others=Role.TEAM_LEAD)
settler = Right(Role.AGENT, by_link=False, others=Role.TEAM_LEAD)  # to whom it was escalated, or who stands above them
leads = Right(Role.TEAM_LEAD, by_link=False)
managers = Right(Role.MANAGER, by_link=False)
admins = Right(Role.ADMIN, by_link=False)


def in_person(right: Right) -> Right:
    """The same, but no program."""
    return right._replace(program=False)


RIGHTS = {
    "query": {
        "node": signed_in,
        "nodes": signed_in,
        "desk": everyone,
        "viewer": everyone,
        "ticket": signed_in,
        "ticketByNumber": signed_in,
        "tickets": signed_in,
        "queue": staff,
        "metrics": staff,
        "person": signed_in,
        "people": staff,
        "departments": signed_in,
        "categories": everyone,
        "services": everyone,
        "maintenanceNotice": everyone,
        "maintenanceNotices": everyone,
        "maintenanceReach": managers,
        "routingRules": admins,
        "slaPolicies": staff,
        "businessCalendars": staff,
        "escalationRules": leads,
        "messageTemplates": staff,
        "messageTemplatePreview": staff,
        "auditEntries": admins,
        "deadLetters": admins,
        "article": everyone,
        "articleBySlug": everyone,
        "articles": everyone,
        "articleSuggestions": everyone,
        "articleCategories": everyone,
        "articleReviews": staff,
    },
    "mutation": {
        "signUp": everyone,
        "requestSignInLink": everyone,
        "signIn": everyone,
        "signInWithLink": everyone,
        "refreshSession": everyone,
        "signOut": in_person(signed_in),
        "setPassword": in_person(account),
        "updateProfile": account,
        "createApiToken": in_person(staff),
        "revokeApiToken": in_person(account),
        "createPerson": in_person(staff),
        "updatePerson": in_person(staff),
        "setAvailability": staff,
        "createUpload": signed_in,
        "submitTicket": account,
        "updateTicket": account,
        "updateTickets": staff,
        "triageTicket": staff,
        "assignTicket": staff,
        "takeNextTicket": staff,
        "changeTicketStatus": staff,
        "addComment": signed_in,
        "addInternalComment": staff,
        "editComment": author,
        "deleteComment": author,
        "watchTicket": account,
        "unwatchTicket": account,
        "linkTickets": staff,
        "unlinkTickets": staff,
        "mergeTickets": staff,
        "setTicketPresence": staff,
        "saveTicketView": staff,
        "deleteTicketView": staff,
        "resolveTicket": staff,
        "confirmResolution": requester,
        "reopenTicket": signed_in,
        "closeTicket": signed_in,
        "markNotificationsRead": account,
        "setNotificationPreferences": account,
        "saveDepartment": admins,
        "saveCategory": admins,
        "saveService": admins,
        "subscribeToService": account,
        "unsubscribeFromService": account,
        "scheduleMaintenance": managers,
        "updateMaintenance": managers,
        "postMaintenanceUpdate": managers,
        "saveRoutingRule": admins,
        "deleteRoutingRule": admins,
        "saveSlaPolicy": admins,
        "saveBusinessCalendar": admins,
        "escalateTicket": staff,
        "acknowledgeEscalation": settler,
        "endEscalation": settler,
        "saveEscalationRule": admins,
        "deleteEscalationRule": admins,
        "saveMessageTemplate": leads,
        "deleteMessageTemplate": leads,
        "retryDeadLetters": admins,
        "discardDeadLetters": admins,
        "saveArticleCategory": leads,
        "createArticle": staff,
        "saveArticleDraft": staff,
        "publishArticle": leads,
        "archiveArticle": leads,
        "restoreArticleVersion": staff,
        "recordArticleView": everyone,
        "giveArticleFeedback": everyone,
        "requestArticleReview": staff,
        "closeArticleReview": staff,
    },
    "subscription": {
        "ticketUpdated": signed_in,
        "ticketEvents": signed_in,
        "ticketsChanged": signed_in,
        "queueUpdated": staff,
        "metricsUpdated": staff,
        "ticketPresenceUpdated": staff,
        "notifications": account,
        "unreadCountUpdated": account,
        "articleUpdated": everyone,
        "maintenanceNoticeUpdated": signed_in,
    },
}
